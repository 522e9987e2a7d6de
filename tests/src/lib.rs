//! Nothing: this package is there for its tests, which hold the rules of the house and try client and sink together. As
//! the last one by name it also ends a test run, and says what was left out.

#[cfg(doctest)]
mod end;
