# A role that workflows take with GitHub's token. Each subject is spelled out: StringEquals, and never a wildcard.
variable "name" {
  description = "The role's name."
  type        = string
}

variable "description" {
  description = "Who takes the role, and for what."
  type        = string
}

variable "provider_arn" {
  description = "GitHub's OIDC provider."
  type        = string
}

variable "subjects" {
  description = "The subject claims that may take the role."
  type        = list(string)

  validation {
    condition     = length(var.subjects) > 0 && alltrue([for subject in var.subjects : can(regex("^repo:[^:*?]+/[^:*?]+:[^*?]+$", subject))])
    error_message = "subjects: repo:OWNER/NAME:CONTEXT, spelled out. A wildcard such as * or ? would let other branches or repositories in."
  }
}

variable "claims" {
  description = "What GitHub's token has to say besides, such as ref = refs/heads/main."
  type        = map(string)

  validation {
    condition     = can(regex("^[0-9]+$", var.claims.repository_id)) && alltrue([for value in values(var.claims) : can(regex("^[^*?]+$", value))])
    error_message = "claims: repository_id, the repository's number, has to be among them, and no value may have a wildcard."
  }
}

variable "policy" {
  description = "What the role may do, as JSON."
  type        = string
}

variable "boundary_arn" {
  description = "What the role may do at most; null for what its policy says."
  type        = string
  default     = null
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = var.description
  max_session_duration = 7200 # the slowest thing that a workflow does, with room
  permissions_boundary = var.boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = var.provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = merge(
        {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = var.subjects
        },
        { for claim, value in var.claims : "token.actions.githubusercontent.com:${claim}" => value },
      ) }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = var.name
  role   = aws_iam_role.this.id
  policy = var.policy
}

output "arn" {
  description = "The role's ARN."
  value       = aws_iam_role.this.arn
}

output "trust" {
  description = "Who may take the role, as JSON."
  value       = aws_iam_role.this.assume_role_policy
}
