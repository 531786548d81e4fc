package http1

// Limits of the chunked coding that no application needs to change.
const (
	// maxSizeDigits is the number of hexadecimal digits of a chunk size.
	maxSizeDigits = 16
	// maxExtensionBytes bounds all chunk extensions of one body together:
	// nobody uses them, and they cost the server without bringing data
	// (CVE-2023-39326).
	maxExtensionBytes = 16 << 10
)

// States of the chunked decoder: what the next byte belongs to.
const (
	chunkSize         uint8 = iota // first digit of a size
	chunkDigits                    // further digits, or what follows them
	chunkExtSpace                  // white space, then ";"
	chunkExtBegin                  // white space or first byte of an extension name
	chunkExtName                   // rest of the name
	chunkExtEqual                  // white space, then "=" or ";"
	chunkExtValue                  // white space or first byte of the value
	chunkExtToken                  // rest of an unquoted value
	chunkExtQuoted                 // inside a quoted value
	chunkExtPair                   // behind a backslash in a quoted value
	chunkExtEnd                    // behind a quoted value
	chunkLineLF                    // LF of the size line
	chunkData                      // data
	chunkDataCR                    // CR behind the data
	chunkDataLF                    // LF behind the data
	chunkTrailerBegin              // first byte of a trailer line or of the last line
	chunkTrailerName               // rest of the name
	chunkTrailerValue              // value
	chunkTrailerLF                 // LF of a trailer line
	chunkLastLF                    // LF of the last line
	chunkDone                      // the body is complete
)

// chunked decodes the chunked coding (RFC 9112 7.1) byte by byte: nothing is
// looked at twice and nothing but the data is kept. Trailer fields are checked
// and counted, then discarded, so that they can never be merged into the head
// (RFC 9110 6.5.1).
type chunked struct {
	state   uint8
	digits  uint8
	ext     int   // extension bytes so far
	left    int64 // data bytes left in this chunk
	line    int   // bytes of the current trailer line
	fields  int   // fields of head and trailer
	trailer int   // bytes of the trailer section
}

// next takes bytes from in and returns how many it took and, if they contain
// data, a part of in that is data. It takes no byte behind the end of the body.
func (d *chunked) next(in []byte, r *rules) (data []byte, n int, cause Cause) {
	for n < len(in) && d.state != chunkDone {
		if d.state == chunkData {
			k := int64(len(in) - n)
			if k >= d.left {
				k = d.left
				d.state = chunkDataCR
			}
			d.left -= k
			return in[n : n+int(k)], n + int(k), CauseNone
		}
		if d.state >= chunkTrailerBegin {
			cause = d.trailerByte(in[n], r)
		} else {
			cause = d.frameByte(in[n])
		}
		if cause != CauseNone {
			return nil, n, cause
		}
		n++
	}
	return nil, n, CauseNone
}

// frameByte takes one byte of a size line or of the line end behind data.
func (d *chunked) frameByte(b byte) Cause {
	switch d.state {
	case chunkSize:
		d.digits, d.left = 0, 0
		d.state = chunkDigits
		return d.digit(b)
	case chunkDigits:
		switch b {
		case '\r':
			d.state = chunkLineLF
		case ' ', '\t':
			d.state = chunkExtSpace
		case ';':
			d.state = chunkExtBegin
		default:
			return d.digit(b)
		}
	case chunkLineLF:
		if b != '\n' {
			return CauseChunkSize
		}
		d.state = chunkData
		if d.left == 0 {
			d.state = chunkTrailerBegin
		}
	case chunkDataCR:
		if b != '\r' {
			return CauseChunkEnd
		}
		d.state = chunkDataLF
	case chunkDataLF:
		if b != '\n' {
			return CauseChunkEnd
		}
		d.state = chunkSize
	default:
		if d.ext++; d.ext > maxExtensionBytes {
			return CauseChunkExtensionBytes
		}
		return d.extByte(b)
	}
	return CauseNone
}

// digit takes one digit of a chunk size.
func (d *chunked) digit(b byte) Cause {
	v := unhex(b)
	if v > 15 || d.digits == maxSizeDigits || d.left > (1<<63-1)>>4 {
		return CauseChunkSize
	}
	d.digits++
	d.left = d.left<<4 | int64(v)
	return CauseNone
}

// extByte takes one byte of the chunk extensions (RFC 9112 7.1.1). White
// space is allowed where the grammar has BWS and nowhere else.
func (d *chunked) extByte(b byte) Cause {
	space := b == ' ' || b == '\t'
	token := classes[b]&classToken != 0
	switch {
	case d.state == chunkExtSpace && space,
		d.state == chunkExtBegin && space,
		d.state == chunkExtName && token,
		d.state == chunkExtEqual && space,
		d.state == chunkExtValue && space,
		d.state == chunkExtToken && token:
	case d.state == chunkExtSpace && b == ';':
		d.state = chunkExtBegin
	case d.state == chunkExtBegin && token:
		d.state = chunkExtName
	case d.state == chunkExtName && space:
		d.state = chunkExtEqual
	case (d.state == chunkExtName || d.state == chunkExtEqual) && b == '=':
		d.state = chunkExtValue
	case d.state == chunkExtValue && token:
		d.state = chunkExtToken
	case d.state == chunkExtValue && b == '"':
		d.state = chunkExtQuoted
	case d.state == chunkExtQuoted && b == '"':
		d.state = chunkExtEnd
	case d.state == chunkExtQuoted && b == '\\':
		d.state = chunkExtPair
	case d.state == chunkExtQuoted && classes[b]&classQuoted != 0:
	case d.state == chunkExtPair && classes[b]&classValue != 0:
		d.state = chunkExtQuoted
	case d.state == chunkExtToken && space, d.state == chunkExtEnd && space:
		d.state = chunkExtSpace
	case (d.state == chunkExtName || d.state == chunkExtEqual || d.state == chunkExtToken || d.state == chunkExtEnd) && b == ';':
		d.state = chunkExtBegin
	case (d.state == chunkExtName || d.state == chunkExtToken || d.state == chunkExtEnd) && b == '\r':
		d.state = chunkLineLF
	default:
		return CauseChunkExtension
	}
	return CauseNone
}

// trailerByte takes one byte of the trailer section. Its fields count into the
// limits of the head.
func (d *chunked) trailerByte(b byte, r *rules) Cause {
	d.line++
	if d.trailer++; d.trailer > r.headBytes || d.line > r.fieldSize+2 {
		return CauseHeadTooLarge
	}
	switch d.state {
	case chunkTrailerBegin:
		d.line = 1
		if b == '\r' {
			d.state = chunkLastLF
			return CauseNone
		}
		if d.fields++; d.fields > r.fields {
			return CauseFieldCount
		}
		d.state = chunkTrailerName
		if classes[b]&classToken == 0 {
			return CauseTrailer
		}
	case chunkTrailerName:
		if b == ':' {
			d.state = chunkTrailerValue
		} else if classes[b]&classToken == 0 {
			return CauseTrailer
		}
	case chunkTrailerValue:
		if b == '\r' {
			d.state = chunkTrailerLF
		} else if classes[b]&classValue == 0 {
			return CauseTrailer
		}
	case chunkTrailerLF:
		d.state = chunkTrailerBegin
		if b != '\n' {
			return CauseTrailer
		}
	case chunkLastLF:
		d.state = chunkDone
		if b != '\n' {
			return CauseTrailer
		}
	}
	return CauseNone
}
