// Package survey estimates what a part tracker is like from what it sends for a minute, with the arm at rest and
// moving: its rate, how late its frames come, how noisy they are, how often it loses a part, and whether its stamps
// tell the exposure.
package survey
