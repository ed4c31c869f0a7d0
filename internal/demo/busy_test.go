package demo

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
)

func TestBusy(t *testing.T) {
	for cause, want := range map[error]string{
		syscall.EADDRINUSE:    "192.0.2.1:80 is in use, by another demo perhaps; choose another with --address",
		syscall.EADDRNOTAVAIL: "192.0.2.1:80 is no address of this machine; choose one that is with --address 127.0.0.1:0, or --address :0 for every interface",
		errors.New("odd"):     "listen tcp: odd",
	} {
		if got := busy(&net.OpError{Op: "listen", Net: "tcp", Err: cause}, "192.0.2.1:80", "--address"); !strings.Contains(got.Error(), want) {
			t.Errorf("%v: %v, want %q", cause, got, want)
		}
	}
}
