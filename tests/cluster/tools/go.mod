module isogloss.test/tools

go 1.24
