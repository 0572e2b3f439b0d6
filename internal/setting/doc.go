// Package setting says what a setting is, so that each has one home: a field of a package's Config with a yaml tag.
//
//	type Config struct {
//		Episodes int     `yaml:"episodes"` // for each policy and condition
//		Strength float64 `yaml:"strength"` // of the pushes when they are on; 1 = as published
//	}
//
// The tag is the key, the comment its meaning, DefaultConfig of the same file its default, and Validate its bounds. A
// field without the tag is no setting: it is given by the code that calls the package. A field that is a struct groups
// its settings below its own key; one with the option inline, `yaml:",inline"`, adds its settings to those around it.
//
// Package configs fills such structs from files, variables and flags and knows no field by name. The reference page and
// the commented default file are written from the comments (package settingdoc).
package setting
