// Package atomicfile writes files that are complete or not there: into a temporary file of the same folder, synced, then
// renamed. A crash or a power cut leaves the old content or the new, never part of it.
package atomicfile
