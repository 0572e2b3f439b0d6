// Package bag reads and writes ROS bags, format version 2.0, in pure Go. It knows records, chunks and indexes; what the
// messages in them mean is the business of package record.
//
// # Format
//
// A bag is the line "#ROSBAG V2.0" and then records: a length-prefixed header of name=value fields, of which "op" tells
// the kind, and length-prefixed data.
//
//	bag header   where the index section begins, how many connections and chunks there are; 4 KiB with its padding
//	chunk        connections and messages, as they are or compressed (bz2, lz4)
//	index data   after each chunk, per connection: time and place of its messages in the chunk
//	connection   in the index section again: topic, type, MD5 sum and full text of the type
//	chunk info   in the index section: a chunk's place, time span and messages per connection
//
// Source: wiki.ros.org/Bags/Format/2.0. LZ4 chunks are LZ4 frames with independent blocks and a checksum of the
// content, as roslz4 has them.
//
// # Damage
//
// A Reader checks everything that is said twice: every index entry against the message it points at, every chunk info
// against its chunk, every connection against its repetition, lengths against the file's. A FormatError names the byte.
// What a Reader allocates is bounded by the file's own size and, for a compressed chunk, by Options.MaxChunk.
//
// The format itself has no checksum of an uncompressed chunk. A Writer adds one to the chunk's header, as a field
// "crc32c" that other readers pass over, so that no flipped byte of a bag written here goes unnoticed.
//
// A Writer works on FILE.active, as rosbag does, and renames it when it is complete. Options.Recover reads a bag that
// was not closed, or is damaged, up to the damage.
package bag
