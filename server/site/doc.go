// Package site decides which files of an application the master serves itself, and with which headers.
//
//	document.go  what the application's settings say (the site document, from python/gounicorn/_site.py)
//	mount.go     what the flags say: --static, --media and the others
//	decide.go    Decide: both together, as folders to serve; a pure function but for a look at the folders
//	report.go    the same in sentences for the log
//	policy.go    SecurityMiddleware's headers and its redirect to https
//	host.go      ALLOWED_HOSTS
//
// How a file is served is the matter of server/static. The package knows no worker: cmd joins it with prefork.
package site
