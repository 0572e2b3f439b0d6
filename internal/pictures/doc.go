// Package pictures turns rendered frames into things to look at: labelled strips (PNG), animated GIFs with a palette
// per frame, and MP4 films through ffmpeg. Pure Go, no display, no simulator.
//
// GIF colours are chosen by median cut (P. Heckbert, "Color image quantization for frame buffer display", SIGGRAPH
// 1982), and only what changed since the last frame is stored.
package pictures
