// Package plot draws korr's figures with gonum.org/v1/plot: lines with optional bands (learning curves, prediction
// error over the horizon) and grouped success bars with intervals, to PNG or SVG.
//
// Colours are those of Okabe and Ito, which readers with any colour vision can tell apart; the policies keep the same
// colour in every figure.
package plot
