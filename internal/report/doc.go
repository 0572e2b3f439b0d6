// Package report writes results for people: tables for a terminal, and the same tables with pictures and words as one
// HTML file that needs nothing beside it.
package report
