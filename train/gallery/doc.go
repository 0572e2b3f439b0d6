// Package gallery finds the recorded episodes that the live view (package sim/view) can play.
package gallery
