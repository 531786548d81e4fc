// Package machine proves on the real binaries what gounicorn promises to what runs it: systemd, containers, an init process, the kernel.
//
// Some tests need namespaces or systemd's tools; [need] says how to get what is missing.
package machine
