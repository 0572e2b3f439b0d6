// Package settings is the sections of the YAML that the command korr knows: the Config of every package that has one,
// under the section's name, and the defaults of all. Package configs fills it.
package settings
