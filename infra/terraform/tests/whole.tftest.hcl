mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "aws" {
  alias  = "backup"
  source = "./tests/mocks"
}

variables {
  github_repository    = "someone/potato"
  github_owner_id      = "11"
  github_repository_id = "22"
}

run "names_begin_with_the_prefix" {
  assert {
    condition     = output.mlflow_table == "cdp-dev-mlflow-backend"
    error_message = "the table is called ${output.mlflow_table}"
  }

  assert {
    condition     = output.log_group == "/cdp-dev/pipeline"
    error_message = "the log group is called ${output.log_group}"
  }

  assert {
    condition     = length(output.replica_buckets) == 0
    error_message = "there is a replica although nobody asked for one"
  }

  assert {
    condition     = output.mlflow_table_replica == null
    error_message = "the table has a replica although nobody asked for one"
  }
}

run "a_second_apply_changes_nothing" {
  assert {
    condition = (
      output.lake_bucket == run.names_begin_with_the_prefix.lake_bucket
      && output.mlflow_bucket == run.names_begin_with_the_prefix.mlflow_bucket
      && output.image == run.names_begin_with_the_prefix.image
    )
    error_message = "a second apply made other buckets or another repository"
  }

  # Two spelled-out subjects a role, of one repository by its number; what writes comes from main.
  assert {
    condition = { for role, trust in output.role_trust : role => jsondecode(trust).Statement[0].Condition } == {
      for role, context in { plan = "pull_request", apply = "environment:production", pipeline = "ref:refs/heads/main" } : role => {
        StringEquals = merge(
          {
            "token.actions.githubusercontent.com:aud"           = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:repository_id" = "22"
            "token.actions.githubusercontent.com:sub"           = ["repo:someone/potato:${context}", "repo:someone@11/potato@22:${context}"]
          },
          role == "plan" ? {} : { "token.actions.githubusercontent.com:ref" = "refs/heads/main" },
        )
      }
    }
    error_message = jsonencode(output.role_trust)
  }
}

run "replication_is_switched_on_by_a_variable" {
  command = plan

  variables {
    replication = true
    prefix      = "cdp-test"
  }

  assert {
    condition     = jsonencode(keys(output.replica_buckets)) == jsonencode(["lake", "mlflow"])
    error_message = "both buckets should have a replica"
  }

  assert {
    condition     = output.mlflow_table_replica == "us-west-2"
    error_message = "the table should have a replica"
  }

  assert {
    condition     = jsonencode(keys(output.alarm_topics)) == jsonencode(["us-east-1", "us-west-2"])
    error_message = "each region should have a topic for its alarms"
  }
}

run "compute_is_switched_off_by_a_variable" {
  command = plan

  variables {
    compute = false
  }

  assert {
    condition     = output.image == null && output.job == null
    error_message = "there is something to run jobs with"
  }
}
