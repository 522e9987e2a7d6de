//! Nothing: this package is there for its test, which holds the rules of the house.
