package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile is far more than any configuration needs.
const maxFile = 1 << 20

func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
}

// readSecret returns what is in the file of a secret, as parse reads it. The error names the file, and continues a sentence that begins with the
// setting's name. A path with nothing at it may be the secret itself in the wrong place, so only the directory is named in which it would be.
func readSecret[T any](path string, parse func(text []byte) (T, error)) (secret T, err error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return secret, errors.New("names no file, as the server's working directory cannot be found; write the whole path")
	}
	info, err := os.Stat(whole)
	switch {
	case errors.Is(err, fs.ErrPermission): // of a directory above it
		return secret, errors.New("names a file in a directory that may not be looked into; let the server's user do so, or move the file")
	case err != nil:
		mend := "name the file"
		if !filepath.IsAbs(path) {
			mend = "write the whole path, or start the server in the directory in which this one begins"
		}
		return secret, fmt.Errorf("names no file: %s has none of that name; %s", above(whole), mend)
	case info.IsDir():
		return secret, fmt.Errorf("%s is a directory; name a file in it", whole)
	case info.Size() > maxFile:
		return secret, fmt.Errorf("%s is larger than %d bytes; name another file", whole, maxFile)
	}
	text, err := os.ReadFile(whole)
	if err != nil {
		var told *fs.PathError
		if errors.As(err, &told) {
			err = told.Err
		}
		return secret, fmt.Errorf("%s cannot be read: %w; let the server's user read it", whole, err)
	}
	if secret, err = parse(text); err != nil {
		return secret, fmt.Errorf("%s %w", whole, err)
	}
	return secret, nil
}

// above returns the nearest directory that is there above a path at which nothing is.
func above(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() || dir == filepath.Dir(dir) {
			return dir
		}
	}
}
