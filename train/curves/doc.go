// Package curves draws the metrics of run folders: learning curves, with runs of several seeds together.
package curves
