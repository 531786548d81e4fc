// Package accel finds the files that the application names in place of its answers, in X-Accel-Redirect or X-Sendfile, and knows the other
// fields that speak to the server in front of it.
//
//	field.go  the fields that speak to the server, and which of the others go with a file
//	accel.go  Files: which names lead to which folders; opening
package accel
