//! Client of the billing API: whole pages, whole walks, over either endpoint.
