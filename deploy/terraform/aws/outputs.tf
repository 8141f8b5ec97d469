output "ipv4" {
  description = "What the A record of the domain must say."
  value       = aws_eip.duologue.public_ip
}
