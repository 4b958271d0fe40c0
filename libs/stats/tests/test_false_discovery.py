from stats.false_discovery import discoveries


def test_the_textbook_example_finds_four():
    # Benjamini and Hochberg 1995, section 4.1: at 5 % four of fifteen.
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p_values += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert sum(discoveries(p_values, 0.05)) == 4


def test_a_p_value_is_found_wherever_it_stands_and_none_among_none():
    assert discoveries([0.9, 1e-6, 0.8], 0.1) == [False, True, False]
    assert discoveries([], 0.1) == []
