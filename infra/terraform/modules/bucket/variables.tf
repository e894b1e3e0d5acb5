variable "name" {
  description = "What the bucket's name begins with; AWS adds 26 characters of its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,35}-$", var.name))
    error_message = "name: at most 37 lower-case letters, digits and hyphens, ending in a hyphen."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts; null for S3's own, the only one that log delivery and a state without a key can use."
  type        = string
  default     = null
}

variable "log_bucket" {
  description = "Where requests are logged; null for nowhere. An object, since a name is not known before there is a bucket."
  type        = object({ name = string })
  default     = null
}

variable "log_source_account" {
  description = "Makes this a bucket for the access logs of this account's buckets."
  type        = string
  default     = null
}

variable "noncurrent_days" {
  description = "How many days a version is kept after it was replaced or deleted."
  type        = number
}

variable "noncurrent_archive" {
  description = "The storage class of replaced versions from their second day on; null leaves them where they are."
  type        = string
  default     = null
}

variable "expire_days" {
  description = "After how many days objects are deleted; null keeps them."
  type        = number
  default     = null
}

variable "transitions" {
  description = "For each prefix, after how many days its objects go into which storage class."
  type        = map(list(object({ days = number, class = string })))
  default     = {}
}

variable "force_destroy" {
  description = "Let a destroy delete what the bucket holds."
  type        = bool
}
