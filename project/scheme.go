package project

import "strings"

// Scheme guesses what is spoken at a container's port: as the file says in app_protocol, else by its well-known number, else HTTP.
func Scheme(target int, appProtocol string) string {
	switch {
	case appProtocol != "":
		return strings.ToLower(appProtocol)
	case target == 443 || target == 8443:
		return "https"
	}
	known := map[int]string{
		21: "ftp", 22: "ssh", 25: "smtp", 1025: "smtp", 1883: "mqtt", 1433: "sqlserver", 3306: "mysql", 4222: "nats", 5432: "postgresql", 5672: "amqp",
		6379: "redis", 9092: "kafka", 11211: "memcached", 27017: "mongodb",
	}
	if scheme := known[target]; scheme != "" {
		return scheme
	}
	return "http"
}
