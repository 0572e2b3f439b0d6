// Package koopmanfit fits a Koopman model (package koopman) to demonstrations and to episodes of the base policy, and
// measures how far ahead it predicts, beside a nonlinear network trained alike, DMDc and persistence.
package koopmanfit
