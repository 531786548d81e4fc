// Package compress encodes answers of the application on their way to clients that accept it: zstd, Brotli or gzip.
//
//	compress.go  Compressor: which answers, by type and size; what becomes of their fields
//	accept.go    which coding a client wants (Accept-Encoding, RFC 9110 12.5.3)
//	encode.go    the encoders: a whole body, or a Source
package compress
