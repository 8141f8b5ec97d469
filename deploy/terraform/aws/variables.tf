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

variable "vpc_id" {
  description = "The network that the instance is in."
  type        = string
}

variable "subnet_id" {
  description = "A subnet of it whose default route leads to an internet gateway."
  type        = string
}

variable "architecture" {
  description = "amd64 or arm64, as the package and the instance type."
  type        = string
  default     = "amd64"
  validation {
    condition     = contains(["amd64", "arm64"], var.architecture)
    error_message = "Packages are made for amd64 and arm64."
  }
}

variable "instance_type" {
  description = "Two cores with a network of its own; see docs/PERFORMANCE.md."
  type        = string
  default     = "c6i.large"
}

variable "disk_gib" {
  description = "Size of the disk: database, files of chat, logs."
  type        = number
  default     = 30
}

variable "instance_profile" {
  description = "A profile that lets Session Manager in; empty for none. Port 22 stays closed."
  type        = string
  default     = ""
}
