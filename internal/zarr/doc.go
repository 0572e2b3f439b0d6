// Package zarr reads arrays of zarr v2 directory stores (zarr-specs.readthedocs.io, version 2) with the codecs that
// recorded demonstrations use: none, blosc (lz4, lz4hc, zlib, zstd; byte and bit shuffle), zlib, gzip, zstd and lz4.
//
// A store is a folder with .zgroup; every array is a folder below it with .zarray (JSON: shape, chunks, dtype,
// compressor, filters, order, fill_value) and a file for each chunk, named by its place in the grid. A chunk that is
// not there holds the fill value.
//
// The blosc container (github.com/Blosc/c-blosc, version 1) is 16 bytes of header (versions, flags, size of an element,
// bytes, bytes of a block, compressed bytes), the blocks' offsets, and the blocks, each split into a stream for every
// byte of an element unless a flag says otherwise.
//
// Sizes are compared with bounds, and with what the array's description says, before anything is allocated. Errors name
// the file.
package zarr
