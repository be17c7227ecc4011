// SPDX-License-Identifier: MIT

// carol is a node in Go that answers requests of a node in C over UDP, each with its trace context.
//
//	carol PORT_FILE COUNT
//
// It writes its port to PORT_FILE, answers COUNT datagrams and ends.  A request is the context, the asker's node id (32 bytes) and a
// key; the answer is the key, backwards.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"p2ptrace"
)

const get = 2

func answer(log *p2ptrace.Log, server *net.UDPConn) error {
	var message [2048]byte
	var peer p2ptrace.NodeID
	count, from, err := server.ReadFromUDPAddrPort(message[:])
	if err != nil {
		return err
	}
	caller, err := p2ptrace.DecodeContext(message[:count])
	if err != nil {
		return err
	}
	copy(peer[:], message[p2ptrace.ContextBytes:])
	key := message[p2ptrace.ContextBytes+32 : count]
	context := caller.Child()
	log.AppStart(&context, &peer, caller.Span(), "DMAP", get)
	log.AppCommand(&context, &peer, "DMAP", get, key)
	reply := make([]byte, len(key))
	for i, b := range key {
		reply[len(key)-1-i] = b
	}
	log.AppEnd(&context, &peer, "DMAP", get, true) // before the answer: what comes next may be the end of the request
	_, err = server.WriteToUDPAddrPort(reply, from)
	return err
}

func run(portFile string, count int) error {
	log, err := p2ptrace.Open("carol", p2ptrace.NodeIDFrom([]byte("carol")), p2ptrace.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "untraced:", err)
	}
	defer log.Close()
	fields := []p2ptrace.AppField{{Name: "key", Type: p2ptrace.AppText, Bytes: 7}}
	if err := log.RegisterApp("DMAP", "DataMap", map[uint16]string{1: "STORE", get: "GET"}, fields); err != nil {
		return err
	}
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer server.Close()
	port := server.LocalAddr().(*net.UDPAddr).Port
	if err := os.WriteFile(portFile+".new", []byte(strconv.Itoa(port)), 0o600); err != nil {
		return err
	}
	if err := os.Rename(portFile+".new", portFile); err != nil {
		return err
	}
	for i := 0; i < count; i++ {
		if err := answer(log, server); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = run(os.Args[1], count)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
