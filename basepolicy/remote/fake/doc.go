// Package fake serves a policy in openpi's protocol from the process of a test, and fails on demand.
package fake
