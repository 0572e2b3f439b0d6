// Package demo is what korr demo shows: the result as JSON and on a terminal, the report with its pictures, and which
// episodes are worth a picture.
package demo
