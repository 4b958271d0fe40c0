module isogloss.test/skaffold

go 1.26.7

require github.com/GoogleContainerTools/skaffold/v2 v2.24.0
