// Package tensorfile reads and writes safetensors files, the project's only
// format for weights, normalisers and golden numbers.
//
// Layout (github.com/huggingface/safetensors): an unsigned 64-bit
// little-endian header length, that many bytes of JSON mapping each name to
// {dtype, shape, data_offsets}, then the tensors' bytes without gaps. The
// optional entry "__metadata__" maps strings to strings.
//
// Every element type is converted to float32 when read (doubles are kept
// beside, see File.Get64); files are written as F32. A reader refuses what is truncated, overlapping or larger than its
// bounds, and File.Get refuses tensors that are missing, mis-shaped or not
// finite. A writer replaces the old file only when the new one is complete.
//
// Files that are written here carry a SHA-256 of all their bytes in the metadata, and a reader refuses a file whose
// digest is another (see digest.go). Files of other writers, and of this one before it wrote digests, have none and are
// read as they are.
package tensorfile
