// Package static compares server/static with Debian's nginx over the same files: what both are asked must be answered alike, but for the
// differences that a table names with their reason. tests/packages.sh installs nginx.
package static
