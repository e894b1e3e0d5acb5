locals {
  buckets = "arn:aws:s3:::${var.prefix}-*"
  tables  = "arn:aws:dynamodb:*:${var.account_id}:table/${var.prefix}-*"
  logs    = "arn:aws:logs:*:${var.account_id}:log-group:/${var.prefix}/*"
  alarms  = "arn:aws:cloudwatch:*:${var.account_id}:alarm:${var.prefix}-*"
  topics  = "arn:aws:sns:*:${var.account_id}:${var.prefix}-*"
  roles   = "arn:aws:iam::${var.account_id}:role/${var.prefix}-*"
  images  = "arn:aws:ecr:*:${var.account_id}:repository/${var.prefix}-*"
  keys    = "arn:aws:kms:*:${var.account_id}:key/*"
  aliases = "arn:aws:kms:*:${var.account_id}:alias/${var.prefix}-*"
  batch   = [for kind in ["compute-environment", "job-queue", "job-definition"] : "arn:aws:batch:*:${var.account_id}:${kind}/${var.prefix}-*"]

  ours = { StringEquals = { "aws:ResourceTag/Project" = var.prefix } }

  boundary = [
    {
      Sid      = "Data"
      Effect   = "Allow"
      Action   = ["s3:*", "dynamodb:*", "logs:*", "ecr:*"]
      Resource = [local.buckets, "${local.buckets}/*", local.tables, local.logs, "${local.logs}:*", local.images]
    },
    {
      Sid       = "Keys"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:DescribeKey"]
      Resource  = local.keys
      Condition = local.ours
    },
    { Sid = "ImageLogin", Effect = "Allow", Action = "ecr:GetAuthorizationToken", Resource = "*" },
  ]

  # How things are set up. No action here reads an object, an item or a log line.
  read = [
    {
      Sid    = "ReadBuckets"
      Effect = "Allow"
      Action = [
        "s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration",
        "s3:GetAccelerateConfiguration", "s3:ListBucket", "s3:ListTagsForResource",
      ]
      Resource = local.buckets
    },
    {
      Sid    = "ReadOurs"
      Effect = "Allow"
      Action = [
        "dynamodb:Describe*", "dynamodb:ListTagsOfResource", "logs:ListTagsForResource", "logs:DescribeMetricFilters",
        "cloudwatch:ListTagsForResource", "sns:GetTopicAttributes", "sns:ListTagsForResource", "sns:GetSubscriptionAttributes",
        "sns:ListSubscriptionsByTopic", "ecr:Describe*", "ecr:GetLifecyclePolicy", "ecr:GetRepositoryPolicy",
        "ecr:ListTagsForResource", "iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies",
        "iam:ListRoleTags", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions", "iam:GetOpenIDConnectProvider",
        "batch:ListTagsForResource",
      ]
      Resource = concat([
        local.tables, local.logs, "${local.logs}:*", local.alarms, local.topics, local.images, local.roles,
        "arn:aws:iam::${var.account_id}:policy/${var.prefix}-*", local.provider_arn,
      ], local.batch)
    },
    {
      Sid       = "ReadKeys"
      Effect    = "Allow"
      Action    = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"]
      Resource  = local.keys
      Condition = local.ours
    },
    {
      # These can't be narrowed to a resource.
      Sid    = "ReadLists"
      Effect = "Allow"
      Action = [
        "ec2:Describe*", "batch:Describe*", "logs:DescribeLogGroups", "cloudwatch:DescribeAlarms", "kms:ListAliases",
        "iam:ListOpenIDConnectProviders", "sts:GetCallerIdentity",
      ]
      Resource = "*"
    },
  ]

  state_read = [{
    Sid      = "ReadState"
    Effect   = "Allow"
    Action   = "s3:GetObject"
    Resource = "arn:aws:s3:::${var.prefix}-potato-state-*/potato.tfstate"
  }]

  write = [
    {
      Sid      = "State"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
      Resource = ["arn:aws:s3:::${var.prefix}-potato-state-*/potato.tfstate", "arn:aws:s3:::${var.prefix}-potato-state-*/potato.tfstate.tflock"]
    },
    {
      Sid    = "Buckets"
      Effect = "Allow"
      Action = [
        "s3:CreateBucket", "s3:DeleteBucket", "s3:PutBucket*", "s3:DeleteBucketPolicy", "s3:PutEncryptionConfiguration",
        "s3:PutLifecycleConfiguration", "s3:PutReplicationConfiguration",
      ]
      Resource = local.buckets
    },
    {
      Sid    = "Ours"
      Effect = "Allow"
      Action = [
        "dynamodb:CreateTable", "dynamodb:DeleteTable", "dynamodb:UpdateTable", "dynamodb:UpdateContinuousBackups",
        "dynamodb:CreateTableReplica", "dynamodb:DeleteTableReplica", "dynamodb:TagResource", "dynamodb:UntagResource",
        # A replica is filled through the rights of whoever makes it.
        "dynamodb:Scan", "dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem",
        "dynamodb:DeleteItem", "dynamodb:BatchWriteItem",
        "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:AssociateKmsKey", "logs:PutMetricFilter",
        "logs:DeleteMetricFilter", "logs:TagResource", "logs:UntagResource",
        "cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:TagResource", "cloudwatch:UntagResource",
        "sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:Unsubscribe", "sns:TagResource",
        "sns:UntagResource",
        "ecr:CreateRepository", "ecr:DeleteRepository", "ecr:Put*", "ecr:DeleteLifecyclePolicy", "ecr:TagResource",
        "ecr:UntagResource", "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:InitiateLayerUpload",
        "ecr:UploadLayerPart", "ecr:CompleteLayerUpload",
        "batch:*",
      ]
      Resource = concat([local.tables, local.logs, "${local.logs}:*", local.alarms, local.topics, local.images], local.batch)
    },
    {
      Sid    = "Network"
      Effect = "Allow"
      Action = [
        "ec2:CreateVpc", "ec2:CreateSubnet", "ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateVpcEndpoint",
        "ec2:CreateFlowLogs", "ecr:GetAuthorizationToken",
        # A job definition is registered under a number that it gets by that.
        "batch:RegisterJobDefinition", "batch:DeregisterJobDefinition",
      ]
      Resource  = "*"
      Condition = { StringEquals = { "aws:RequestedRegion" = var.regions } }
    },
    {
      # What is made may be given its tags. A tag says whose a thing is, so nothing that is there gets ours afterwards.
      Sid      = "TagsFromTheStart"
      Effect   = "Allow"
      Action   = "ec2:CreateTags"
      Resource = "*"
      Condition = { StringEquals = {
        "aws:RequestedRegion" = var.regions
        "ec2:CreateAction"    = ["CreateVpc", "CreateSubnet", "CreateRouteTable", "CreateSecurityGroup", "CreateVpcEndpoint", "CreateFlowLogs", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"]
      } }
    },
    {
      Sid    = "TaggedAsOurs"
      Effect = "Allow"
      Action = [
        "ec2:CreateTags", "ec2:Delete*", "ec2:Modify*", "ec2:AssociateRouteTable", "ec2:DisassociateRouteTable", "ec2:ReplaceRouteTableAssociation",
        "ec2:AuthorizeSecurityGroup*", "ec2:RevokeSecurityGroup*", "ec2:UpdateSecurityGroupRuleDescriptions*",
        "kms:Put*", "kms:Enable*", "kms:Update*", "kms:TagResource", "kms:UntagResource", "kms:ScheduleKeyDeletion",
        "kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey*", "kms:CreateAlias", "kms:DeleteAlias",
      ]
      Resource  = "*"
      Condition = local.ours
    },
    # A key is made by hand. Who may tag one while it is made may tag every key of the account, and make it ours by that.
    { Sid = "KeyNames", Effect = "Allow", Action = ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"], Resource = local.aliases },
    {
      Sid       = "RolesWithinTheBoundary"
      Effect    = "Allow"
      Action    = ["iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy", "iam:DetachRolePolicy"]
      Resource  = local.roles
      Condition = { StringEquals = { "iam:PermissionsBoundary" = "arn:aws:iam::${var.account_id}:policy/${var.prefix}-boundary" } }
    },
    {
      Sid      = "OurRoles"
      Effect   = "Allow"
      Action   = ["iam:DeleteRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateRole", "iam:UpdateAssumeRolePolicy", "iam:ListInstanceProfilesForRole"]
      Resource = local.roles
    },
    {
      Sid       = "HandRolesToServices"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = local.roles
      Condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "s3.amazonaws.com", "vpc-flow-logs.amazonaws.com"] } }
    },
    {
      Sid       = "RolesOfServices"
      Effect    = "Allow"
      Action    = "iam:CreateServiceLinkedRole"
      Resource  = "arn:aws:iam::${var.account_id}:role/aws-service-role/*"
      Condition = { StringEquals = { "iam:AWSServiceName" = ["batch.amazonaws.com", "replication.dynamodb.amazonaws.com"] } }
    },
    {
      Sid    = "NotItself"
      Effect = "Deny"
      Action = [
        "iam:DeleteRole", "iam:UpdateRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy",
        "iam:DetachRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:PassRole",
      ]
      Resource = [for role in ["plan", "apply"] : "arn:aws:iam::${var.account_id}:role/${var.prefix}-${role}"]
    },
  ]
}
