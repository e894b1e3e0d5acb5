variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the lake."
  type        = string
}

variable "log_bucket" {
  description = "Where requests are logged."
  type        = string
}

variable "noncurrent_days" {
  description = "How many days a replaced version is kept."
  type        = number
}

variable "bronze_archive_class" {
  description = "The storage class of bronze after 90 days."
  type        = string
}

variable "force_destroy" {
  description = "Let a destroy delete the data."
  type        = bool
}
