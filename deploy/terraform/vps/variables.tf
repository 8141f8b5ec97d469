variable "domain" {
  description = "The name that browsers reach the server by."
  type        = string
}

variable "package_url" {
  description = "Where the Debian package is fetched from, over HTTPS."
  type        = string
  validation {
    condition     = startswith(var.package_url, "https://")
    error_message = "The package is fetched over https:// only."
  }
}

variable "package_sha256" {
  description = "The checksum of the package, 64 hexadecimal digits."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.package_sha256))
    error_message = "A SHA-256 has 64 hexadecimal digits."
  }
}

variable "server_type" {
  description = "Two cores relay far more than the link of such a machine carries; see docs/PERFORMANCE.md."
  type        = string
  default     = "cx22"
}

variable "location" {
  description = "Near to those who call each other."
  type        = string
  default     = "fsn1"
}

variable "ssh_key" {
  description = "The name of a key that Hetzner Cloud has; empty for none."
  type        = string
  default     = ""
}

variable "ssh_from" {
  description = "Networks that may reach port 22; none by default."
  type        = list(string)
  default     = []
}
