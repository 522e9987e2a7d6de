//! An empty library. The package is there for its tests, which check the rules of the house, and client and sink
//! together. It is the last package by name, so it also ends a test run, and says what was left out.

#[cfg(doctest)]
mod end;
