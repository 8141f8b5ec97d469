output "ipv4" {
  description = "What the A record of the domain must say."
  value       = hcloud_server.duologue.ipv4_address
}

output "ipv6" {
  description = "What the AAAA record of the domain must say."
  value       = hcloud_server.duologue.ipv6_address
}
