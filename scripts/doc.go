// Package scripts holds the shell glue of the repository, and the test that
// keeps the packages' import rules.
package scripts
