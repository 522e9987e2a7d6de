//! Nothing: this package is there for its tests, which hold the rules of the house and try client and sink together.
