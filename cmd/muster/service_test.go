package main

import "github.com/musterhq/muster/project"

// service is one with nothing but a name.
func service(name string) project.Service { return project.Service{Name: name} }
