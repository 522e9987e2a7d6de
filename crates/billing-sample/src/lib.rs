//! Made-up usage histories of any length, realistic and repeatable.
