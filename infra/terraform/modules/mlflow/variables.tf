variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts bucket and table."
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

variable "protect" {
  description = "Refuse to delete the table, and the bucket while it holds something."
  type        = bool
}

variable "replica" {
  description = "Region and key of the table's replica; null for none."
  type        = object({ region = string, kms_key_arn = string })
  default     = null
}
