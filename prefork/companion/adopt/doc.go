// Package adopt reads the configuration of other process managers, supervisord and Circus, and writes the settings that do the same.
//
// [Read] makes a [Plan] of a file: programs by the keys of package companion, what each manager says besides, and the sentences about what has
// no equivalent. It runs nothing and looks nothing up; paths are as they were written. Bounds: 1 MB a file, 100 files.
package adopt
