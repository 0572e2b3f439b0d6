package node

import (
	"github.com/bluenviron/goroslib/v2/pkg/msg"
	"github.com/bluenviron/goroslib/v2/pkg/msgproc"
	"github.com/bluenviron/goroslib/v2/pkg/serviceproc"
)

// Message types embed these; the tag `ros:"..."` gives the package, the type's name if it differs from Go's, and the
// constants. Aliases keep goroslib out of the packages that declare messages.
type (
	// Package names the ROS package of a message.
	Package = msg.Package
	// Name overrides the name of a message.
	Name = msg.Name
	// Definitions holds the constants of a message, comma-separated.
	Definitions = msg.Definitions
)

// Signature returns the ROS type ("geometry_msgs/Pose") and the MD5 sum by which nodes agree on a message, given as a
// struct value.
func Signature(message any) (kind, md5 string, err error) {
	if kind, err = msgproc.Type(message); err != nil {
		return "", "", err
	}
	md5, err = msgproc.MD5(message)
	return kind, md5, err
}

// ServiceSignature is Signature for a service type.
func ServiceSignature(service any) (kind, md5 string, err error) {
	if kind, err = serviceproc.Type(service); err != nil {
		return "", "", err
	}
	md5, err = serviceproc.MD5(service)
	return kind, md5, err
}
