// Package torchfile reads what torch.save wrote, without running any of it.
//
// A file is a zip archive of uncompressed entries: one folder with data.pkl, a
// pickle (protocol 2 to 5) of the saved object, and data/N, the bytes of the
// tensors' storages, which the pickle refers to by persistent identifiers. A
// pickle is a program for a small stack machine whose instructions may call any
// Python callable. Here none is ever called: every global that a pickle names must be in
// an allow-list, and each stands for a Go function that builds plain data (see
// globals.go). Anything else is refused by name.
//
// The machine is this package's own, some 40 instructions over the bytes at hand: a
// general one (github.com/nlpodyssey/gopickle) allocates the sizes that a file
// declares before it reads them, and indexes its memo by numbers of the file.
//
// # Bounds
//
// Entries are used where they lie and may not be compressed; lengths are compared with the
// bytes left, a tensor's offset, shape and strides with its storage; all tensors together may have
// eight times as many elements as the file has bytes, and a pickle has at most MaxPickleBytes. Objects may refer
// to each other in circles or many times (a memo allows that), so whoever walks
// them bounds the walk, as Plain does.
package torchfile
