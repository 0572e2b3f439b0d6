// Package configs holds korr's configuration: its typed sections, the presets embedded in the binary, and how the
// layers are merged.
//
// A value comes from the first of these that has it: the flags (--set key=value and a verb's own flags), a KORR_*
// variable (KORR_EVAL_EPISODES for eval.episodes), the file named by --config, the preset, the defaults of the Config
// that holds it (package setting). An unknown key fails with its path and its source. presets/default.yaml names every
// key with its meaning; it is generated.
//
// The package also embeds the shipped weights (weights/).
package configs
