# Who may do what. Workflows come with GitHub's token; there are no long-lived keys.
locals {
  owner = split("/", var.repository.name)[0]
  name  = split("/", var.repository.name)[1]

  # Repositories made since July 2026 carry numbers in their subject, older ones don't; both are this repository.
  repositories = [
    "repo:${local.owner}/${local.name}",
    "repo:${local.owner}@${var.repository.owner_id}/${local.name}@${var.repository.id}",
  ]

  subjects = { for role, context in {
    plan     = "pull_request"
    apply    = "environment:${var.environment}"
    pipeline = "ref:refs/heads/main"
  } : role => [for repository in local.repositories : "${repository}:${context}"] }

  # A name can come to belong to somebody else, when its owner gives it up; the number can't. And the subject of an environment
  # does not say which branch deploys to it.
  pinned  = { repository_id = var.repository.id }
  on_main = merge(local.pinned, { ref = "refs/heads/main" })

  provider_arn = var.provider_arn == null ? aws_iam_openid_connect_provider.github[0].arn : var.provider_arn
}

resource "aws_iam_openid_connect_provider" "github" {
  count          = var.provider_arn == null ? 1 : 0
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

# The most that a role of this project can do, whatever its policy says. The apply role can only make roles within it,
# and can change neither it nor the roles plan and apply: a workflow can't give itself more than it has.
resource "aws_iam_policy" "boundary" {
  name        = "${var.prefix}-boundary"
  description = "The most that roles of ${var.prefix} may do"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.boundary })
}

module "plan" {
  source = "../role"

  name         = "${var.prefix}-plan"
  description  = "terraform plan on pull requests: reads how things are set up, and no data"
  provider_arn = local.provider_arn
  subjects     = local.subjects.plan
  claims       = local.pinned
  policy       = jsonencode({ Version = "2012-10-17", Statement = concat(local.read, local.state_read) })
}

module "apply" {
  source = "../role"

  name         = "${var.prefix}-apply"
  description  = "terraform apply from the protected environment ${var.environment}"
  provider_arn = local.provider_arn
  subjects     = local.subjects.apply
  claims       = local.on_main
  policy       = jsonencode({ Version = "2012-10-17", Statement = concat(local.read, local.state_read, local.write) })
}

module "pipeline" {
  source = "../role"

  name         = "${var.prefix}-pipeline"
  description  = "The pipeline on main: lake, MLflow and logs"
  provider_arn = local.provider_arn
  subjects     = local.subjects.pipeline
  claims       = local.on_main
  policy       = var.pipeline_policy
  boundary_arn = aws_iam_policy.boundary.arn
}
