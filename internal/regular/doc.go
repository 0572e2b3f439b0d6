// Package regular opens files that are regular and not too large. What a user names may be a pipe, on which a read
// waits for ever, a device without an end, or a file larger than the memory: each is an error that says so, before
// anything is read or allocated.
package regular
