variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "account_id" {
  description = "The account."
  type        = string
}

variable "regions" {
  description = "The regions in which something may be made."
  type        = list(string)
}

variable "repository" {
  description = "owner/name of the repository whose workflows take the roles, with the numbers of both."
  type        = object({ name = string, owner_id = string, id = string })
}

variable "environment" {
  description = "The protected environment that alone may apply."
  type        = string
}

variable "provider_arn" {
  description = "GitHub's OIDC provider, where the account has one; null makes it."
  type        = string
}

variable "pipeline_policy" {
  description = "What the pipeline may do, as JSON."
  type        = string
}
